//! The built program as a user meets it: serve, command line, logs, restarts.
