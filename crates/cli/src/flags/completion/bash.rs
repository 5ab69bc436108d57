//! The script for GNU Bash. It needs nothing beyond the shell: no helper package, no running program for commands and flags.

use std::fmt::Write as _;

use super::{Stop, identifier, quoted};

/// The whole script.
pub(super) fn script(program: &str, stops: &[Stop]) -> String {
    let name = identifier(program);
    let mut cases = String::new();
    for Stop { paths, command } in stops {
        let pattern = paths.iter().map(|path| quoted(path)).collect::<Vec<_>>().join("|");
        let commands: Vec<&str> = command.commands.iter().map(|(name, _)| *name).collect();
        let (kind, words) = command.arguments();
        writeln!(
            cases,
            "    {pattern}) commands={} flags={} valued={} kind={kind} words={} first={} ;;",
            quoted(&commands.join(" ")),
            quoted(&command.flag_words()),
            quoted(&command.valued_words()),
            quoted(&words),
            if command.is_interspersed { "''" } else { "yes" },
        )
        .expect("a string accepts every write");
    }
    BODY.replace("@CASES@", &cases).replace("@NAME@", &name).replace("@PROGRAM@", &quoted(program))
}

const BODY: &str = r#"# Completion of @PROGRAM@ for bash. Load it with: source <(@PROGRAM@ completion bash)

# What can stand at a place in the tree of commands; fails if there is no such place.
_@NAME@_at() {
    case "$1" in
@CASES@    *) return 1 ;;
    esac
}

_@NAME@() {
    local line=${COMP_LINE:0:COMP_POINT} commands flags valued kind words first
    local current=${line##*[[:space:]]} path='' value='' dash='' count=0 word before
    read -ra before <<<"${line%"$current"}"
    COMPREPLY=()
    _@NAME@_at ''
    for word in "${before[@]:1}"; do
        if [[ $value ]]; then
            value=''
        elif [[ -z $dash && $word == -- ]]; then
            dash=yes
        elif [[ -z $dash && $word == -?* ]] && ! [[ $first && $count -gt 0 ]]; then
            [[ " $valued " == *" $word "* ]] && value=yes
        elif [[ $count -eq 0 ]] && _@NAME@_at "$path $word"; then
            path="$path $word"
        else
            count=$((count + 1))
        fi
    done
    if [[ $value || ( $first && $count -gt 0 ) || ( -z $dash && $current == --*=* ) ]]; then
        compopt -o default 2>/dev/null
    elif [[ -z $dash && $current == -* ]]; then
        COMPREPLY=($(compgen -W "$flags" -- "$current"))
    elif [[ $commands ]]; then
        COMPREPLY=($(compgen -W "$commands" -- "$current"))
    else
        case "$kind" in
        words) COMPREPLY=($(compgen -W "$words" -- "$current")) ;;
        files) compopt -o default 2>/dev/null ;;
        images|containers|volumes|networks|everything) COMPREPLY=($(compgen -W "$("${before[0]}" __complete "$kind" "$current" 2>/dev/null)" -- "$current")) ;;
        esac
    fi
    # Readline replaces only what follows the last colon.
    if [[ $current == *:* && $COMP_WORDBREAKS == *:* ]]; then
        COMPREPLY=("${COMPREPLY[@]#"${current%"${current##*:}"}"}")
    fi
}

complete -F _@NAME@ @PROGRAM@
"#;
