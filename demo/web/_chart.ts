// This module is browser compatible.
//
// The chart of the last blocks: milliseconds of each commit, and writes a second.

/// <reference lib="dom" />

import uPlot from "npm:uplot@^1.6";
import { element } from "./_dom.ts";

const POINTS_MAX = 120;
const HEIGHT = 220;

/** The chart, drawn anew with every block. */
export class BlockChart {
  readonly #heights: number[] = [];
  readonly #milliseconds: number[] = [];
  readonly #rates: number[] = [];
  #plot: uPlot | undefined;

  /** Keeps the chart as wide as its place and in the page's colours. */
  constructor() {
    const place = element("blocks-chart");
    new ResizeObserver(() => {
      const width = place.clientWidth;
      if (width > 0) this.#plot?.setSize({ width, height: HEIGHT });
    }).observe(place);
    matchMedia("(prefers-color-scheme: dark)").addEventListener(
      "change",
      () => this.#make(),
    );
    this.#make();
  }

  /** One more block. */
  add(height: number, milliseconds: number, rate: number): void {
    this.#heights.push(height);
    this.#milliseconds.push(milliseconds);
    this.#rates.push(rate);
    for (const list of [this.#heights, this.#milliseconds, this.#rates]) {
      if (list.length > POINTS_MAX) list.shift();
    }
    if (element("blocks-chart").hidden) this.#make();
    this.#plot?.setData(this.#data());
  }

  /** No block any more. */
  clear(): void {
    for (const list of [this.#heights, this.#milliseconds, this.#rates]) {
      list.length = 0;
    }
    this.#make();
  }

  #data(): [number[], number[], number[]] {
    return [this.#heights, this.#rates, this.#milliseconds];
  }

  #make(): void {
    const place = element("blocks-chart");
    const style = getComputedStyle(document.documentElement);
    const colour = (name: string) => style.getPropertyValue(name).trim();
    const soft = colour("--soft"),
      grid = { stroke: colour("--line"), width: 1 };
    const axis = { stroke: soft, grid, ticks: grid, font: "12px system-ui" };
    this.#plot?.destroy();
    place.hidden = this.#heights.length === 0;
    if (place.hidden) return;
    this.#plot = new uPlot(
      {
        width: Math.max(place.clientWidth, 200),
        height: HEIGHT,
        scales: {
          x: { time: false },
          ms: { range: fromZero },
          rate: { range: fromZero },
        },
        series: [
          { label: "height" },
          {
            label: "writes a second",
            scale: "rate",
            stroke: colour("--leaf"),
            fill: colour("--leaf-soft"),
            width: 2,
            points: { show: false },
          },
          {
            label: "ms a commit",
            scale: "ms",
            stroke: colour("--bad"),
            width: 2,
            points: { show: false },
          },
        ],
        axes: [
          { ...axis, incrs: [1, 2, 5, 10, 20, 50, 100] },
          { ...axis, scale: "ms", size: 44 },
          {
            ...axis,
            scale: "rate",
            side: 1,
            size: 56,
            grid: { show: false },
            values: (_plot: unknown, ticks: number[]) =>
              ticks.map((tick) => tick >= 1000 ? `${tick / 1000}k` : `${tick}`),
          },
        ],
      },
      this.#data(),
      place,
    );
  }
}

function fromZero(
  _plot: unknown,
  _least: number,
  most: number,
): [number, number] {
  return [0, Math.max(1, most * 1.15 || 1)];
}
