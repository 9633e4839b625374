// This module is browser compatible.
//
// Draws what a proof proves: the way from a leaf, at the bottom, to the root, with
// the sibling whose hash is needed at each branch. Runs of branches with nothing
// on the other side are drawn as one.

/// <reference lib="dom" />

import type { SiblingPath } from "@stemma/verify/core";
import { svg } from "./_dom.ts";
import { short } from "./_text.ts";

const STEP = 40;
const WIDTH = 400;
const SPREAD = 58;
const BOX_WIDTH = 230;
const BOX_HEIGHT = 30;

/** One level of the drawing. */
interface Level {
  readonly side: 0 | 1;
  readonly depth: number;
  /** The sibling, or how many branches have none. */
  readonly sibling: Uint8Array | undefined;
  readonly count: number;
}

/** Joins branches without a sibling into one level. */
function levelsOf({ steps }: SiblingPath): Level[] {
  const levels: Level[] = [];
  for (const { side, depth, sibling } of steps) {
    const isEmpty = sibling.every((byte) => byte === 0);
    const last = levels.at(-1);
    if (isEmpty && last !== undefined && last.sibling === undefined) {
      levels[levels.length - 1] = { ...last, side, count: last.count + 1 };
    } else {
      levels.push({
        side,
        depth,
        sibling: isEmpty ? undefined : sibling,
        count: 1,
      });
    }
  }
  return levels;
}

function box(x: number, y: number, text: string): SVGElement[] {
  return [
    svg("rect", {
      class: "box rise",
      x: x - BOX_WIDTH / 2,
      y: y - BOX_HEIGHT / 2,
      width: BOX_WIDTH,
      height: BOX_HEIGHT,
      rx: 8,
    }),
    svg("text", {
      class: "box-text rise",
      x,
      y: y + 4,
      "text-anchor": "middle",
    }, text),
  ];
}

/** The sibling of a level: a node with its hash, or a stub with a count. */
function siblingOf(level: Level, x: number, y: number): SVGElement[] {
  const { side, sibling, count } = level;
  const out = side === 0 ? 1 : -1;
  const label = sibling === undefined
    ? count === 1 ? "empty" : `empty ×${count}`
    : short(sibling, 6);
  const kind = sibling === undefined ? "sibling none" : "sibling";
  return [
    svg("circle", { class: `${kind} rise`, cx: x, cy: y, r: 6 }),
    svg("text", {
      class: "rise",
      x: x + out * 12,
      y: y + 4,
      "text-anchor": out > 0 ? "start" : "end",
    }, label),
  ];
}

/** A drawing of the path, and a sentence that says the same. */
export function drawPath(
  path: SiblingPath,
  root: Uint8Array,
  leaf: string,
): { readonly picture: SVGElement; readonly caption: string } {
  const levels = levelsOf(path), edges: SVGElement[] = [];
  const nodes: SVGElement[] = [];
  let x = WIDTH / 2, y = 24;
  nodes.push(...box(x, y, `root ${short(root)}`));
  y += BOX_HEIGHT / 2;
  for (const [i, level] of levels.entries()) {
    // Turns to a side, but never far from the middle.
    const turn = level.side === 0 ? -1 : 1;
    const half = SPREAD / 2;
    const nextX = WIDTH / 2 + turn * half, otherX = WIDTH / 2 - turn * half;
    const nextY = y + STEP;
    const curve = (to: number): string =>
      `M${x} ${y}C${x} ${y + STEP / 2} ${to} ${y + STEP / 2} ${to} ${nextY}`;
    const delay = `animation-delay:${(levels.length - i) * 25}ms`;
    edges.unshift(svg("path", { class: "edge", d: curve(otherX) }));
    edges.push(svg("path", { class: "edge on rise", d: curve(nextX) }));
    edges[edges.length - 1].style.cssText = delay;
    nodes.push(...siblingOf(level, otherX, nextY));
    nodes.push(svg("circle", { class: "node", cx: nextX, cy: nextY, r: 5 }));
    [x, y] = [nextX, nextY];
  }
  const end = y + STEP + 12;
  edges.push(svg("path", {
    class: "edge on",
    d: `M${x} ${y}C${x} ${y + 22} ${WIDTH / 2} ${y + 14} ${WIDTH / 2} ${
      end - BOX_HEIGHT / 2
    }`,
  }));
  nodes.push(...box(WIDTH / 2, end, leaf));
  const given = levels.filter(({ sibling }) => sibling !== undefined).length;
  const caption =
    `${path.steps.length} branches from leaf to root; the proof ` +
    `gives ${given} sibling hashes, everything else is computed here.`;
  const picture = svg("svg", {
    viewBox: `0 0 ${WIDTH} ${end + 24}`,
    role: "img",
    "aria-label": caption,
  });
  picture.append(...edges, ...nodes);
  return { picture, caption };
}
