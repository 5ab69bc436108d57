//! Fixture builders, test registry, contract suites and host sandbox for wharfie's tests.
