//! Listings that are kept in memory: a page of a folder with ten thousand names must not cost ten thousand names.
//! One process has the directory, so whatever changes a folder passes here.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::key::Folder;

/// Names of folders, sorted, as long as nothing changes in them.
#[derive(Default)]
pub(super) struct Listings(Mutex<State>);

#[derive(Default)]
struct State {
    known: HashMap<String, Arc<[Box<str>]>>,
    /// How often anything was forgotten: a listing that was read meanwhile is not kept.
    changes: u64,
}

impl Listings {
    /// The names of a folder, and what [`Self::keep`] wants to be told.
    pub(super) fn find(&self, folder: &Folder) -> Result<Arc<[Box<str>]>, u64> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.known.get(folder.as_str()).cloned().ok_or(state.changes)
    }

    /// Keeps what was read since [`Self::find`] said `changes`, unless something has changed.
    pub(super) fn keep(&self, folder: &Folder, names: &Arc<[Box<str>]>, changes: u64) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.changes != changes || names.len() > MAX_NAMES {
            return;
        }
        if state.known.len() >= MAX_FOLDERS {
            state.known.clear();
        }
        state.known.insert(folder.as_str().to_owned(), Arc::clone(names));
    }

    /// Something was put into or deleted from a folder; `folder` ends in `/`.
    pub(super) fn forget(&self, folder: &str) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.changes += 1;
        state.known.remove(folder);
    }
}

/// 32 folders of 100,000 names at most: some hundred megabytes in the very worst case, kilobytes in ordinary ones.
const MAX_FOLDERS: usize = 32;
const MAX_NAMES: usize = 100_000;
