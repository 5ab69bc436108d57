//! What was probably meant by a word that is none.

/// The option that is nearest to `word`, at most two edits away; none if `word` is itself an option. `is_exact` says whether
/// upper and lower case are different letters; if they are not, the answer is in the case of `word`.
pub(crate) fn nearest<'a>(word: &str, options: impl IntoIterator<Item = &'a str>, is_exact: bool) -> Option<String> {
    let fold = |text: &str| if is_exact { text.to_owned() } else { text.to_lowercase() };
    let wanted = fold(word);
    let mut best = None;
    let mut limit = 3;
    for option in options {
        let option = fold(option);
        if option == wanted {
            return None;
        }
        let distance = distance(&wanted, &option);
        if distance < limit {
            limit = distance;
            best = Some(option);
        }
    }
    best.filter(|best| !best.is_empty()).map(|best| match is_exact {
        false if word == word.to_lowercase() => best,
        false if word == word.to_uppercase() => best.to_uppercase(),
        _ => best,
    })
}

/// How many characters must be put in, taken out or replaced.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_found() {
        let check = |word: &str, is_exact, expected: Option<&str>| {
            assert_eq!(nearest(word, ["RUN", "COPY", "USER"], is_exact).as_deref(), expected, "{word}");
        };
        check("RUNN", false, Some("RUN"));
        check("runn", false, Some("run"));
        check("Copi", false, Some("copy"));
        check("runn", true, None);
        check("RUN", false, None);
        check("", false, None);
        check("XXXXXXX", false, None);
    }
}
