import type { FaultCounts } from '../../src/driver/fault-plan.ts'

export const noFaults: FaultCounts = {
  kill: 0,
  shortStop: 0,
  longStop: 0,
  outlive: 0,
  blackout: 0,
  shutdown: 0,
  trigger: 0,
  replay: 0,
  cancel: 0,
  forcedCancel: 0,
  pause: 0,
  breakConnections: 0,
  loseAnswers: 0,
  cut: 0,
  restart: 0,
  killAndCrash: 0,
  loseWrites: 0,
  jump: 0,
}
