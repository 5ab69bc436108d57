//! How a target takes over what another one says.

use std::collections::BTreeSet;

use super::Target;
use super::entries::{CacheEntry, Export, last_of_each, merged, without_repeats};

impl Target {
    /// Adds what `other` says, which decides where both say something.
    pub(crate) fn merge(&mut self, other: &Self) {
        let decide = |own: &mut Option<String>, other: &Option<String>| {
            if other.is_some() {
                own.clone_from(other);
            }
        };
        decide(&mut self.base, &other.base);
        decide(&mut self.context, &other.context);
        decide(&mut self.dockerfile, &other.dockerfile);
        decide(&mut self.dockerfile_inline, &other.dockerfile_inline);
        decide(&mut self.target, &other.target);
        decide(&mut self.network, &other.network);
        decide(&mut self.shm_size, &other.shm_size);
        decide(&mut self.call, &other.call);
        for (own, other) in [
            (&mut self.args, &other.args),
            (&mut self.contexts, &other.contexts),
            (&mut self.labels, &other.labels),
            (&mut self.extra_hosts, &other.extra_hosts),
        ] {
            own.extend(other.clone());
        }
        for (own, other) in [(&mut self.tags, &other.tags), (&mut self.platforms, &other.platforms)] {
            if other.is_some() {
                own.clone_from(other);
            }
        }
        for (own, other) in [
            (&mut self.annotations, &other.annotations),
            (&mut self.no_cache_filter, &other.no_cache_filter),
            (&mut self.ulimits, &other.ulimits),
            (&mut self.entitlements, &other.entitlements),
            (&mut self.inherits, &other.inherits),
        ] {
            own.extend_from_slice(other);
        }
        self.attest.extend_from_slice(&other.attest);
        last_of_each(&mut self.attest, |one| one.kind.clone());
        self.secrets.extend_from_slice(&other.secrets);
        last_of_each(&mut self.secrets, |one| one.id.clone());
        self.ssh.extend_from_slice(&other.ssh);
        last_of_each(&mut self.ssh, |one| one.id.clone());
        self.policy.extend_from_slice(&other.policy);
        self.cache_from = merged(std::mem::take(&mut self.cache_from), &other.cache_from);
        if other.cache_to.is_some() {
            self.cache_to.clone_from(&other.cache_to);
        }
        if other.outputs.is_some() {
            self.outputs.clone_from(&other.outputs);
        }
        self.pull = other.pull.or(self.pull);
        self.no_cache = other.no_cache.or(self.no_cache);
        if let Some(resources) = &other.resources {
            self.resources.get_or_insert_default().merge(resources);
        }
        if !other.description.is_empty() {
            self.description.clone_from(&other.description);
        }
    }

    /// Leaves out what is empty or said twice, and says what follows from the rest.
    pub(crate) fn normalize(&mut self) {
        for list in [&mut self.annotations, &mut self.no_cache_filter, &mut self.ulimits] {
            unique(list);
        }
        self.tags.iter_mut().chain(&mut self.platforms).for_each(unique);
        last_of_each(&mut self.attest, |one| one.kind.clone());
        last_of_each(&mut self.secrets, |one| one.id.clone());
        last_of_each(&mut self.ssh, |one| one.id.clone());
        without_repeats(&mut self.cache_from);
        self.cache_to = self.cache_to.take().filter(|list: &Vec<CacheEntry>| !list.is_empty());
        self.outputs = self.outputs.take().filter(|list: &Vec<Export>| !list.is_empty());
        self.cache_to.iter_mut().for_each(without_repeats);
        self.outputs.iter_mut().for_each(without_repeats);
        if self.network.as_deref() == Some("host") {
            self.entitlements.push("network.host".to_owned());
        }
        unique(&mut self.entitlements);
        self.contexts.retain(|_, context| !context.is_empty());
    }
}

/// Leaves out empty texts and those that were there before.
fn unique(list: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    list.retain(|text| !text.is_empty() && seen.insert(text.clone()));
}
