//! Real containers on a root file system of one static program, busybox.
//!
//! They need root and Debian's `busybox-static`; what a machine cannot do is said on standard error, never passed over
//! in silence.

mod harness;

mod hostile;
mod lifecycle;
mod limits;
mod mounts;
mod network;
mod peer;
mod privileges;
mod rootless;
