//! The interactive tree, with dive's keys: layers on the left, what they do to files on the right.

mod draw;
mod keys;
mod state;
mod tree;

use std::io::Read;

use wharfie_scan::analysis::Analysis;

use crate::commands::container::terminal;
use crate::context::Context;
use crate::failure::Result;
use state::State;

/// 256 bytes: more keys than anybody types between two screens.
const TYPED: usize = 256;

/// Lets the user look around until they leave.
pub(super) fn explore(cx: &Context, analysis: &Analysis) -> Result {
    let raw = terminal::raw();
    cx.print_bytes(draw::ENTER.as_bytes())?;
    let looked = look(cx, analysis);
    let left = cx.print_bytes(draw::LEAVE.as_bytes());
    drop(raw);
    looked.and(left)
}

fn look(cx: &Context, analysis: &Analysis) -> Result {
    let mut state = State::new(analysis);
    let mut typed = [0; TYPED];
    while !state.is_over {
        let (rows, columns) = terminal::size().map_or((24, 80), |size| (size.rows.into(), size.columns.into()));
        let screen = draw::screen(&state, rows, columns);
        cx.print_bytes(format!("{}{}", draw::HOME, screen.join("\r\n")).as_bytes())?;
        match std::io::stdin().read(&mut typed) {
            Ok(0) => state.press(draw::CLOSED),
            Ok(len) => keys::keys(&typed[..len]).into_iter().for_each(|key| state.press(key)),
            // The window changed its size.
            Err(why) if why.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => state.press(draw::CLOSED),
        }
    }
    Ok(())
}
