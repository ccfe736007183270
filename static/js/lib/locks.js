// Runs `work` while no other tab of this browser runs work of the same name. Where locks are missing (plain http on a
// network) it runs at once: the callers use it to save effort, not to be safe.
export function locked(name, work) {
  return navigator.locks ? navigator.locks.request(name, work) : work()
}
