// This module is browser compatible.
//
// Entries of the history: how the state behind each commit can be undone. The
// entry of a state names the record whose old values lead to the state below
// it (`deltaPosition`), and where that lower state's own record lies. A rollback
// record takes over the entry of the state it went back to, so undoing never
// runs into what was rolled back.

/** A state on the history stack. */
export interface HistoryEntry {
  /** Sequence of the record that made it the head. */
  readonly sequence: number;
  /** Its root. */
  readonly root: Uint8Array;
  /** Log position of its record; 0 for the state before the first commit. */
  readonly position: number;
  /** Sequence of the state below. */
  readonly undoTo: number;
  /** Log position of the record of the state below; 0 when there is none. */
  readonly undoToPosition: number;
  /** Log position of the record to undo; 0 when nothing lies below. */
  readonly deltaPosition: number;
}

/** The state of a store that was never committed to. */
export function emptyEntry(): HistoryEntry {
  return {
    sequence: 0,
    root: new Uint8Array(32),
    position: 0,
    undoTo: 0,
    undoToPosition: 0,
    deltaPosition: 0,
  };
}
