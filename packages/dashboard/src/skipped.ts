/** The error of a request that the overlap policy skipped. */
export const skippedText =
  'The request was skipped and does not run: another run of the job is active, and its overlapPolicy is skip.'
