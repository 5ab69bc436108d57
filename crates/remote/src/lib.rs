//! Registries over the network: endpoints, authentication, pull, push, search.
