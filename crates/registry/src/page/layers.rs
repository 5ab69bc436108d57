//! An image's layers, each beside the instruction that made it.

use wharfie_oci::config::History;
use wharfie_oci::{Descriptor, Manifest};

use super::figures;
use super::html::Html;
use super::layout::{Table, cell};
use super::words::Words;

/// 500 rows: images have a hundred layers at most, artifacts may have more files.
const MAX_ROWS: usize = 500;
/// What names a file. Source: image-spec, annotations.md.
const TITLE: &str = "org.opencontainers.image.title";

/// A row: what was done, and the layer that came of it.
#[derive(Debug, PartialEq, Eq)]
struct Step<'a> {
    instruction: &'a str,
    layer: Option<&'a Descriptor>,
}

/// The layers of a manifest, with what the configuration's history tells.
pub(super) fn shown(manifest: &Manifest, history: &[History], words: &Words) -> Html {
    let mut html = Html::new();
    if manifest.layers.is_empty() && history.is_empty() {
        html.element("p", words.no_layers);
        return html;
    }
    if !history.is_empty() && history.iter().filter(|one| !one.empty_layer).count() != manifest.layers.len() {
        html.element("p", words.history_differs);
    }
    let columns = ["#", if manifest.is_image() { words.instruction } else { words.files }, words.size, words.digest];
    let mut table = Table::new("layers", &columns);
    let steps = steps(&manifest.layers, history);
    for (at, step) in steps.iter().take(MAX_ROWS).enumerate() {
        let mut instruction = Html::new();
        if !step.instruction.is_empty() {
            instruction.element("code", step.instruction);
        }
        let (size, digest) = match step.layer {
            None => (cell("–"), none(words)),
            Some(layer) => (cell(&figures::size(layer.size)), layer_cell(layer)),
        };
        table.row(&[cell(&(at + 1).to_string()), instruction, size, digest]);
    }
    html.html(&table.end());
    if steps.len() > MAX_ROWS {
        html.element("p", words.more);
    }
    html
}

fn none(words: &Words) -> Html {
    let mut html = Html::new();
    html.raw("<small>").text(words.no_layer).raw("</small>");
    html
}

fn layer_cell(layer: &Descriptor) -> Html {
    let mut html = Html::new();
    html.raw("<code title=\"").text(layer.digest.as_str()).raw("\">").text(&figures::short(&layer.digest));
    html.raw("</code><br><small>").text(layer.media_type.as_str()).raw("</small>");
    html
}

/// Layers in order, beside the steps that made them, with the steps that made none in between.
fn steps<'a>(layers: &'a [Descriptor], history: &'a [History]) -> Vec<Step<'a>> {
    let mut rest = layers.iter();
    let told = history.iter().map(|one| {
        let layer = if one.empty_layer { None } else { rest.next() };
        Step { instruction: instruction(one.created_by.as_deref().unwrap_or_default()), layer }
    });
    let mut steps: Vec<Step<'a>> = told.collect();
    steps.extend(rest.map(|layer| {
        let title = layer.annotations.as_ref().and_then(|notes| notes.get(TITLE));
        Step { instruction: title.map_or("", String::as_str), layer: Some(layer) }
    }));
    steps
}

/// The instruction without what builders write around it.
fn instruction(created_by: &str) -> &str {
    let text = created_by.strip_prefix("/bin/sh -c #(nop)").unwrap_or(created_by);
    text.strip_suffix("# buildkit").unwrap_or(text).trim()
}

#[cfg(test)]
mod tests {
    use wharfie_oci::MediaType;

    use super::*;

    fn layer(content: &str) -> Descriptor {
        Descriptor::of(MediaType::new("application/vnd.oci.image.layer.v1.tar"), content.as_bytes())
    }

    fn entry(created_by: &str, empty_layer: bool) -> History {
        History { created_by: Some(created_by.to_owned()), empty_layer, ..History::default() }
    }

    #[test]
    fn instructions_stand_beside_their_layers() {
        let layers = [layer("one"), layer("two"), layer("three")];
        let history = [entry("ADD one", false), entry("ENV A=1", true), entry("COPY two", false)];
        let found = steps(&layers, &history);
        let told: Vec<_> = found.iter().map(|step| (step.instruction, step.layer)).collect();
        let expected =
            [("ADD one", Some(&layers[0])), ("ENV A=1", None), ("COPY two", Some(&layers[1])), ("", Some(&layers[2]))];
        assert_eq!(told, expected);
        // More is told than there is.
        let found = steps(&layers[..1], &history);
        assert_eq!((found.len(), found[2].layer), (3, None));
    }

    #[test]
    fn what_builders_write_around_instructions_is_left_out() {
        let check = |text: &str, expected: &str| assert_eq!(instruction(text), expected);
        check("/bin/sh -c #(nop)  CMD [\"sh\"]", "CMD [\"sh\"]");
        check("RUN /bin/sh -c make # buildkit", "RUN /bin/sh -c make");
        check("/bin/sh -c make", "/bin/sh -c make");
    }
}
