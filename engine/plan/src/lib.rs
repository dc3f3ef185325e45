//! Bound plan to job graph: operator ids, exchanges, changelog modes, state compatibility, explain.
