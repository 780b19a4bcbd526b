export { journalStorage } from './journal-storage.js'
