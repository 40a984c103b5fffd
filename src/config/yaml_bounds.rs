//! What a YAML file cannot be made of. The reader copies what an alias stands for, so that a few lines can stand for more than there is
//! memory, and goes down into what is nested, so that a line can take more stack than there is. No setting needs either.

use yaml_rust2::{Event, parser::Parser};

/// How deep things can be nested: a setting in a section is at 2.
const DEEPEST: usize = 16;

/// Fails with the reason, where something in the text is out of bounds.
pub(super) fn check(text: &str) -> Result<(), String> {
    let mut parser = Parser::new_from_str(text);
    let mut depth = 0;
    loop {
        let refuse = |mark: yaml_rust2::scanner::Marker, rule: &str| Err(format!("line {}: {rule}", mark.line()));
        match parser.next_token() {
            Ok((Event::Alias(_), mark)) => {
                return refuse(mark, "aliases (*name) cannot be used here; repeat the value");
            }
            Ok((Event::SequenceStart(..) | Event::MappingStart(..), _)) if depth < DEEPEST => depth += 1,
            Ok((Event::SequenceStart(..) | Event::MappingStart(..), mark)) => {
                return refuse(mark, "this is nested too deep: a setting stands in a section, and nothing below it");
            }
            Ok((Event::SequenceEnd | Event::MappingEnd, _)) => depth = depth.saturating_sub(1),
            // Where the text is broken, the reader says so better.
            Ok((Event::StreamEnd, _)) | Err(_) => return Ok(()),
            Ok(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_and_deep_nesting_are_refused_with_their_line() {
        for (text, reason) in [
            ("a: &a 1\nb: *a\n".to_owned(), "line 2: aliases"),
            (format!("{}1\n", "- ".repeat(100_000)), "line 1: this is nested too deep"),
            (format!("{}{}", "[".repeat(17), "]".repeat(17)), "line 1: this is nested too deep"),
        ] {
            let told = check(&text).expect_err(&text);
            assert!(told.starts_with(reason), "{told}");
        }
        for good in
            ["", "server:\n  listen: a\n", "a: &unused 1\n", "a: [", &format!("{}{}", "[".repeat(16), "]".repeat(16))]
        {
            assert_eq!(check(good), Ok(()), "{good}");
        }
    }
}
