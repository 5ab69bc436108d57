//! The script for GNU Bash. It needs nothing beyond the shell: no helper package, no running program for commands and flags.

use std::fmt::Write as _;

use super::{Stop, identifier, offered, quoted};

/// The whole script.
pub(super) fn script(program: &str, others: &[String], stops: &[Stop]) -> String {
    let name = identifier(program);
    let mut cases = String::new();
    for Stop { paths, command } in stops {
        let pattern = paths.iter().map(|path| quoted(path)).collect::<Vec<_>>().join("|");
        let commands: Vec<&str> = command.commands.iter().map(|(name, _)| *name).collect();
        let (kind, words) = offered(command.complete);
        writeln!(
            cases,
            "    {pattern}) commands={} flags={} valued={} values={} kind={kind} words={} first={} ;;",
            quoted(&commands.join(" ")),
            quoted(&command.flag_words()),
            quoted(&command.valued_words()),
            quoted(&command.values().join("\n")),
            quoted(&words),
            if command.is_interspersed { "''" } else { "yes" },
        )
        .expect("a string accepts every write");
    }
    let others: String = others.iter().flat_map(|other| [" ", other]).collect();
    let body = BODY.replace("@CASES@", &cases).replace("@NAME@", &name);
    body.replace("@PROGRAM@", &quoted(program)).replace("@OTHERS@", &others)
}

const BODY: &str = r#"# Completion of @PROGRAM@ for bash. Load it with: source <(@PROGRAM@ completion bash)

# What can stand at a place in the tree of commands; fails if there is no such place.
_@NAME@_at() {
    case "$1" in
@CASES@    *) return 1 ;;
    esac
}

_@NAME@() {
    local line=${COMP_LINE:0:COMP_POINT} commands flags valued values kind words first also
    local program=@PROGRAM@ attached='' offered choices
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
            [[ " $valued " == *" $word "* ]] && value=$word
        elif [[ $count -eq 0 ]] && _@NAME@_at "$path $word"; then
            path="$path $word"
        else
            count=$((count + 1))
        fi
    done
    # Another name may be an alias, which no script can call.
    [[ ${before[0]} == */* ]] && program=${before[0]}
    if [[ -z $value && -z $dash && $current == --*=* ]] && ! [[ $first && $count -gt 0 ]]; then
        value=${current%%=*} attached=${current%%=*}= current=${current#*=}
    fi
    if [[ $value ]]; then
        kind=files
        while read -r word offered choices; do
            [[ $word == "$value" ]] && kind=$offered words=$choices
        done <<<"$values"
    elif [[ $first && $count -gt 0 ]]; then
        kind=files
    elif [[ -z $dash && $current == -* ]]; then
        kind=words words=$flags
    elif [[ $commands && $kind == nothing ]]; then
        kind=words words=$commands
    elif [[ $count -eq 0 ]]; then
        also=$commands
    fi
    case "$kind" in
    words) COMPREPLY=($(compgen -W "$words" -- "$current")) ;;
    files) compopt -o default 2>/dev/null ;;
    places)
        COMPREPLY=($(compgen -W "$("$program" __complete places "$current" 2>/dev/null)" -- "$current"))
        # What names nothing may be a path, and what says where an image is goes on.
        [[ ${COMPREPLY[*]} ]] || compopt -o default 2>/dev/null
        [[ ${COMPREPLY[*]} == *[:/] ]] && compopt -o nospace 2>/dev/null
        ;;
    images|containers|volumes|networks|everything) COMPREPLY=($(compgen -W "$("$program" __complete "$kind" "$current" 2>/dev/null)" -- "$current")) ;;
    esac
    [[ $also ]] && COMPREPLY+=($(compgen -W "$also" -- "$current"))
    # Readline takes an equals sign for the end of a word, unless it was told otherwise.
    [[ $attached && $COMP_WORDBREAKS != *=* ]] && COMPREPLY=("${COMPREPLY[@]/#/$attached}")
    # Readline replaces only what follows the last colon.
    if [[ $current == *:* && $COMP_WORDBREAKS == *:* ]]; then
        COMPREPLY=("${COMPREPLY[@]#"${current%"${current##*:}"}"}")
    fi
}

complete -F _@NAME@ @PROGRAM@@OTHERS@
"#;
