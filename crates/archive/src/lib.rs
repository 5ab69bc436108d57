//! Images in files: docker-archive and OCI layout tars.
