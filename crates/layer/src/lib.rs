//! Tar to tree and back: compression, entries, whiteouts, EROFS index, unpacking beneath a root.
