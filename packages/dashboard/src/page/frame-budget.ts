/** Maximum number of elements that the grid creates in one frame. Keeps frames short even on slow machines. */
const perFrame = 320

interface Waiting {
  readonly cost: number
  readonly act: () => void
}

const waiting = new Set<Waiting>()
let left = perFrame
let isPlanned = false

function nextFrame(): void {
  if (isPlanned) return
  isPlanned = true
  requestAnimationFrame(() => {
    isPlanned = false
    left = perFrame
    for (const one of waiting) {
      if (left <= 0) break
      waiting.delete(one)
      left -= one.cost
      one.act()
    }
    if (waiting.size > 0 || left < perFrame) nextFrame()
  })
}

/** Reserves `cost` new elements in this frame. Returns whether the caller may create them now. */
export function takeFrameShare(cost: number): boolean {
  if (left <= 0) return false
  left -= cost
  nextFrame()
  return true
}

/** Calls `act`, which creates `cost` elements, in the next frame with room for them. Returns a function that cancels the call. */
export function inLaterFrame(cost: number, act: () => void): () => void {
  const one = { cost, act }
  waiting.add(one)
  nextFrame()
  return () => {
    waiting.delete(one)
  }
}
