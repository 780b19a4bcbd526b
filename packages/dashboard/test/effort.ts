/** Whether also what takes long is tried: `JOBISTEMER_DASHBOARD_TESTS=all`. */
export const isThorough: boolean = process.env.JOBISTEMER_DASHBOARD_TESTS === 'all'
