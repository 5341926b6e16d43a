//! The tickdeck command: demo, run, new, build, check, data check, doctor.
