//! The only SQL: aggregates, transactions, leases, wake-ups.
