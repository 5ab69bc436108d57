//! Maven's versions. Source: Maven, `ComparableVersion`: numbers and words between dots, hyphens and changes of kind.

use std::cmp::Ordering;

use super::digits;

/// Words in their order; the empty one is a release, unknown words come behind all.
const WORDS: [&str; 7] = ["alpha", "beta", "milestone", "rc", "snapshot", "", "sp"];
const RELEASE: usize = 5;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Number(String),
    Word(String),
}

pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (tokens(a), tokens(b));
    for at in 0..a.len().max(b.len()) {
        let order = token(a.get(at), b.get(at));
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

/// A separator with its token: after a hyphen a new list begins, which is less than a number after a dot.
type Item = (char, Token);

fn token(a: Option<&Item>, b: Option<&Item>) -> Ordering {
    match (a, b) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => token(b, None).reverse(),
        (Some((_, Token::Number(number))), None) => digits(number, "0"),
        (Some((_, Token::Word(word))), None) => rank(word).cmp(&(RELEASE, String::new())),
        (Some((before_a, Token::Number(a))), Some((before_b, Token::Number(b)))) => {
            let weight = |before: &char| u8::from(*before == '.');
            weight(before_a).cmp(&weight(before_b)).then_with(|| digits(a, b))
        }
        (Some((_, Token::Word(a))), Some((_, Token::Word(b)))) => rank(a).cmp(&rank(b)),
        (Some((_, Token::Number(_))), Some((_, Token::Word(_)))) => Ordering::Greater,
        (Some((_, Token::Word(_))), Some((_, Token::Number(_)))) => Ordering::Less,
    }
}

fn rank(word: &str) -> (usize, String) {
    match WORDS.iter().position(|known| *known == word) {
        Some(known) => (known, String::new()),
        None => (WORDS.len(), word.to_owned()),
    }
}

fn tokens(text: &str) -> Vec<Item> {
    let text = text.to_ascii_lowercase();
    let mut found: Vec<Item> = Vec::new();
    let (mut before, mut run) = ('.', String::new());
    let mut letters = text.chars().peekable();
    let mut push = |before: char, run: &mut String, is_followed_by_digit: bool| {
        let run = std::mem::take(run);
        let token = match run.as_bytes().first() {
            None => Token::Number("0".to_owned()),
            Some(first) if first.is_ascii_digit() => Token::Number(run),
            _ => Token::Word(match (run.as_str(), is_followed_by_digit) {
                ("a", true) => "alpha".to_owned(),
                ("b", true) => "beta".to_owned(),
                ("m", true) => "milestone".to_owned(),
                ("cr", _) => "rc".to_owned(),
                ("ga" | "final" | "release", _) => String::new(),
                _ => run,
            }),
        };
        // Zeros mean nothing before a word either.
        if before == '-' || matches!(token, Token::Word(_)) {
            trim(&mut found);
        }
        found.push((before, token));
    };
    while let Some(letter) = letters.next() {
        match letter {
            '.' | '-' | '_' => {
                push(before, &mut run, false);
                before = if letter == '.' { '.' } else { '-' };
            }
            _ => {
                run.push(letter);
                let next = letters.peek().filter(|next| !matches!(**next, '.' | '-' | '_'));
                if next.is_some_and(|next| next.is_ascii_digit() != letter.is_ascii_digit()) {
                    push(before, &mut run, letters.peek().is_some_and(char::is_ascii_digit));
                    before = '-';
                }
            }
        }
    }
    push(before, &mut run, false);
    trim(&mut found);
    found
}

/// What means nothing at the end of a list is not there: `1.0.0` is `1`.
fn trim(found: &mut Vec<Item>) {
    let is_nothing = |token: &Token| match token {
        Token::Number(number) => number.trim_start_matches('0').is_empty(),
        Token::Word(word) => word.is_empty(),
    };
    while found.last().is_some_and(|(_, token)| is_nothing(token)) {
        found.pop();
    }
}
