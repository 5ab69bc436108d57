//! Patterns of substitutions: `*` and `?`, as the shell means them; everything else stands for itself.

/// A pattern, character by character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    /// Any number of any characters of a line.
    Any,
    /// One character of a line, whichever.
    One,
    /// This character.
    Literal(char),
}

/// What is looked for in a variable's value.
pub(super) struct Pattern(Vec<Piece>);

impl Pattern {
    /// Reads a pattern. A backslash takes the meaning of `*`, `?` and itself, and goes before what would end the
    /// substitution.
    ///
    /// # Errors
    /// When it stands before anything else; with that.
    pub(super) fn new(text: &str) -> Result<Self, char> {
        let mut pieces = Vec::new();
        let mut characters = text.chars();
        while let Some(c) = characters.next() {
            pieces.push(match c {
                '*' => Piece::Any,
                '?' => Piece::One,
                '\\' => match characters.next() {
                    Some(next @ ('*' | '?' | '\\' | '}' | '/')) => Piece::Literal(next),
                    next => return Err(next.unwrap_or('\u{fffd}')),
                },
                c => Piece::Literal(c),
            });
        }
        Ok(Self(pieces))
    }

    /// For each length of a beginning of `text`, in characters, whether the pattern fits exactly that much.
    fn beginnings(&self, text: &[char]) -> Vec<bool> {
        // One row of the usual table: which prefixes the pieces so far can fit.
        let mut fits = vec![false; text.len() + 1];
        fits[0] = true;
        for piece in &self.0 {
            let mut next = vec![false; text.len() + 1];
            match piece {
                Piece::Any => {
                    let mut is_reached = false;
                    for at in 0..=text.len() {
                        is_reached &= at == 0 || text[at - 1] != '\n';
                        is_reached |= fits[at];
                        next[at] = is_reached;
                    }
                }
                Piece::One => {
                    for (at, own) in text.iter().enumerate() {
                        next[at + 1] = fits[at] && *own != '\n';
                    }
                }
                Piece::Literal(c) => {
                    for (at, own) in text.iter().enumerate() {
                        next[at + 1] = fits[at] && own == c;
                    }
                }
            }
            fits = next;
        }
        fits
    }

    /// Cuts off the shortest, or the longest, beginning of `text` that fits.
    pub(super) fn without_beginning(&self, text: &str, longest: bool) -> String {
        let characters: Vec<char> = text.chars().collect();
        let fits = self.beginnings(&characters);
        let end = if longest { fits.iter().rposition(|fit| *fit) } else { fits.iter().position(|fit| *fit) };
        characters[end.unwrap_or(0)..].iter().collect()
    }

    /// Cuts off the shortest, or the longest, end of `text` that fits.
    pub(super) fn without_end(&self, text: &str, longest: bool) -> String {
        let reversed = Self(self.0.iter().rev().copied().collect());
        let text: String = text.chars().rev().collect();
        reversed.without_beginning(&text, longest).chars().rev().collect()
    }

    /// Puts `replacement` in place of the first longest piece of `text` that fits, or of every one. An empty piece right
    /// behind one that was replaced does not count.
    pub(super) fn replace(&self, text: &str, replacement: &str, all: bool) -> String {
        let characters: Vec<char> = text.chars().collect();
        let mut out = String::new();
        let mut at = 0;
        let mut last_end = None;
        while at <= characters.len() {
            let longest = self.beginnings(&characters[at..]).iter().rposition(|fit| *fit);
            match longest {
                Some(0) if last_end != Some(at) => {
                    out.push_str(replacement);
                    if !all {
                        break;
                    }
                    out.extend(characters.get(at));
                    at += 1;
                }
                Some(0) | None => {
                    out.extend(characters.get(at));
                    at += 1;
                }
                Some(longest) => {
                    out.push_str(replacement);
                    at += longest;
                    last_end = Some(at);
                    if !all {
                        break;
                    }
                }
            }
        }
        out.extend(characters.get(at..).unwrap_or_default());
        out
    }
}
