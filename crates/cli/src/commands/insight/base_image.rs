//! What is to be said of the image that another one was made from: whether there is a better one.

use std::collections::BTreeSet;

use wharfie_engine::insight::advisories::Base;
use wharfie_engine::insight::base::BaseToday;
use wharfie_scan::Inventory;
use wharfie_scan::advisory::Finding;

use super::report::Report;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::render::sanitise::{Layout, sanitise};

/// Which other tag of the base that is here has fewer of its vulnerabilities.
pub(super) fn newer(cx: &Context, found: &Report, advisories: &Base) -> Result<Option<String>> {
    let Some(known) = &found.inventory.base else { return Ok(None) };
    let key = |inventory: &Inventory, finding: &Finding| {
        (finding.id.clone(), inventory.packages[finding.package].full_name())
    };
    let of_base = found
        .findings
        .iter()
        .filter(|finding| found.inventory.is_of_base(found.inventory.packages[finding.package].layer));
    let here: BTreeSet<_> = of_base.map(|finding| key(&found.inventory, finding)).collect();
    if here.is_empty() {
        return Ok(None);
    }
    let mut best: Option<(usize, String)> = None;
    for (name, inventory) in cx.engine()?.other_bases(known)? {
        let matched = cx.engine()?.findings(&inventory, advisories)?;
        let there: BTreeSet<_> = matched.findings.iter().map(|finding| key(&inventory, finding)).collect();
        // One that has as many others is no better.
        if matched.findings.len() < here.len() {
            let gone = here.difference(&there).count();
            if best.as_ref().is_none_or(|(most, _)| gone > *most) {
                best = Some((gone, name));
            }
        }
    }
    Ok(best.map(|(gone, name)| {
        format!("Update the base {} to {name}: {gone} of its {} vulnerabilities are gone", known.name, here.len())
    }))
}

/// What the base's registry has under its tag today. A registry that does not answer keeps nobody from the rest.
pub(super) fn today(cx: &Context, inventory: &Inventory) -> Option<BaseToday> {
    let asked = inventory.base.as_ref().map(|base| (base, cx.engine().map(|engine| engine.base_today(base))));
    match asked {
        Some((_, Ok(Ok(Some(today))))) => return Some(today),
        None | Some((_, Ok(Ok(None)))) => cx.warn(
            "WARNING: it is not known by name, tag and digest what the image was made from: no registry was asked for it",
        ),
        Some((base, Ok(Err(why)))) => cx.warn(&format!(
            "WARNING: the registry of the base {} does not say what it is today: {}",
            sanitise(&base.name, Layout::OneLine),
            sanitise(Failure::from(why).text.trim_end(), Layout::OneLine)
        )),
        Some((_, Err(why))) => cx.warn(&format!("WARNING: {}", why.text)),
    }
    None
}
