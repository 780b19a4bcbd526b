/** So many elements are made in one frame at most, so that none takes long, on slow machines too. */
const perFrame = 600

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

/** Whether so many elements may be made in this frame. The caller makes them then. */
export function takeFrameShare(cost: number): boolean {
  if (left <= 0) return false
  left -= cost
  nextFrame()
  return true
}

/** Calls when there is room in a later frame. Answers what gives it up. */
export function inLaterFrame(cost: number, act: () => void): () => void {
  const one = { cost, act }
  waiting.add(one)
  nextFrame()
  return () => {
    waiting.delete(one)
  }
}
