//! Tag: one more name for an image.

use crate::engine::Engine;
use crate::error::Result;
use crate::{events, names};

impl Engine {
    /// Names the image `source` also `target`. A name that stood for another image moves.
    ///
    /// # Errors
    /// When `target` is no name for an image, or `source` is none.
    pub fn tag(&self, source: &str, target: &str) -> Result<()> {
        let target = names::target(target)?;
        let store = self.writer()?;
        let found = names::find(store, source)?;
        let event = events::of_image(&found.id, "tag", &target.familiar());
        store.noting(vec![event], |store| store.set_reference(&target, &found.id))?;
        Ok(())
    }
}
