//! Unchanged AWS clients drive the built program: runs the Python suites.
