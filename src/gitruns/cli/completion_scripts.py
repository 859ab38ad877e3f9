"""What a shell needs to complete `git runs …` and `git-runs …`: a few lines that ask `git runs complete`.

In bash and zsh git's own completion calls a function named after the command (`_git_runs`, `_git-runs`); in fish
completions add up.
"""

from __future__ import annotations

BASH = r"""# bash completion for git runs: eval "$(git runs completion bash)"
__git_runs_reply ()
{
	local line kind word help
	COMPREPLY=()
	while IFS= read -r line; do
		IFS=$'\t' read -r kind word help <<<"$line"
		if [[ $kind == file || $kind == dir ]]; then
			compopt -o filenames +o nospace 2>/dev/null
			while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -A "${kind/dir/directory}" -- "$cur")
			return
		fi
		COMPREPLY+=("$(printf '%q ' "$word")")
	done < <(command git runs complete -- "$@" 2>/dev/null)
}

# git's own completion calls this for `git runs`, with words, cword and cur set.
_git_runs ()
{
	local first=${__git_cmd_idx:-1}
	while [[ $first -lt $cword && ${words[first]} != runs ]]; do first=$((first + 1)); done
	__git_runs_reply "${words[@]:first + 1:cword - first}"
}

__git_runs_direct ()
{
	local cur=${COMP_WORDS[COMP_CWORD]} words=("${COMP_WORDS[@]}") cword=$COMP_CWORD
	if declare -F _get_comp_words_by_ref >/dev/null; then _get_comp_words_by_ref -n =: cur words cword; fi
	__git_runs_reply "${words[@]:1:cword}"
}

complete -o bashdefault -o default -o nospace -F __git_runs_direct git-runs
"""

ZSH = r"""#compdef git-runs
#description track experiments in git
# zsh completion for git runs: eval "$(git runs completion zsh)" after compinit
_git-runs ()
{
	local line kind
	local -a parts described
	for line in "${(@f)$(command git runs complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
		parts=("${(@ps:\t:)line}")
		kind=$parts[1]
		if [[ $kind == file ]]; then _files; return; fi
		if [[ $kind == dir ]]; then _files -/; return; fi
		[[ -n $parts[2] ]] && described+=("${parts[2]//:/\\:}${parts[3]:+:$parts[3]}")
	done
	_describe -V 'git runs' described
}
if (( $+functions[compdef] )); then
	compdef _git-runs git-runs
	zstyle ':completion:*:*:git:*' user-commands runs:'track experiments in git'
fi
"""

FISH = r"""# fish completion for git runs: git runs completion fish | source
function __git_runs_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -e words[1]
    if contains -- runs $words
        while test "$words[1]" != runs
            set -e words[1]
        end
        set -e words[1]
    end
    for line in (command git runs complete -- $words "$current" 2>/dev/null)
        set -l parts (string split \t -- $line)
        switch $parts[1]
            case file
                __fish_complete_path "$current"
            case dir
                __fish_complete_directories "$current"
            case '*'
                printf '%s\t%s\n' $parts[2] "$parts[3]"
        end
    end
end
function __git_runs_in_git
    contains -- runs (commandline -opc)
end
complete -c git-runs -f -a '(__git_runs_complete)'
complete -c git -n __git_runs_in_git -f -a '(__git_runs_complete)'
"""

SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}
