//! What is on this machine: blobs, layers, references, snapshots, leases, garbage collection.
