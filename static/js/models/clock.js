// The time, and what happens later. Tests bring their own.
export const CLOCK = {
  now: () => Date.now(),
  later: (work, milliseconds) => setTimeout(work, milliseconds),
  cancel: (timer) => clearTimeout(timer),
}
