//! Observe, plan, one step, for each application, for ever.
