//! How old advisories are: who has old ones does not hear what is known since then.

use wharfie_oci::Timestamp;
use wharfie_scan::advisory::EcosystemMeta;

use crate::context::Context;
use crate::render::sanitise::{Layout, sanitise};

/// 30 days, in seconds: older advisories lack what everybody knows.
const OLD: i64 = 30 * 86_400;

/// Warns of each of these ecosystems of which nothing new has come for long. Of lists that do not say how new they are, the day on
/// which they were imported counts, and is called that.
pub(crate) fn warn<'m>(cx: &Context, ecosystems: impl Iterator<Item = (&'m str, &'m EcosystemMeta)>) {
    for (name, known) in ecosystems {
        let (moment, is_import) = known.moment();
        let Ok(newest) = moment.parse::<Timestamp>() else { continue };
        let age = cx.now().seconds - newest.seconds;
        if age > OLD {
            let (name, days) = (sanitise(name, Layout::OneLine), age / 86_400);
            let what = match is_import {
                true => format!("the list of {name} was imported {days} days ago"),
                false => format!("the newest advisory of {name} is {days} days old"),
            };
            cx.warn(&format!("WARNING: {what}: what is known since then is not found"));
        }
    }
}
