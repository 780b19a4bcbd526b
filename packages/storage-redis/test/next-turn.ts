/** Lets sockets and timers have their turn before something is tried again, however quickly it failed. */
export async function nextTurn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
}
