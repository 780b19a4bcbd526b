export { createDashboard, type Dashboard } from './dashboard.ts'
export type {
  Asked,
  AuditEntry,
  Authorize,
  DashboardAction,
  DashboardOptions,
  HiddenKind,
  HideRule,
  Verdict,
} from './options.ts'
