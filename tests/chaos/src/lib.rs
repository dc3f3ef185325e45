//! Seeded trials: engine and server killed at random moments, output equal to the undisturbed run.
