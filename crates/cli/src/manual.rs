//! Writes completion scripts of shells and manual pages, from the definition of the arguments.

use crate::{
    cli::{self, Completions, Man, Output},
    failure::Failed,
    output,
};
use clap::Command;
use serde_json::json;
use std::{fs, path::Path};

/// Prints the script that completes arguments in a shell. It is a program of that shell in every output format.
pub(crate) fn completions(arguments: &Completions) {
    output::program(&script(arguments.shell));
}

fn script(shell: clap_complete::Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut cli::command(), "tillflow", &mut script);
    script
}

/// Writes a manual page for the program and for each of its verbs.
pub(crate) fn run(arguments: &Man, output: Output) -> Result<(), Failed> {
    let pages = write(&arguments.folder)?;
    let folder = arguments.folder.display();
    match output {
        Output::Text => {
            output::line(&format!("{} pages are in {folder}: man -l {folder}/tillflow.1", pages.len()));
        }
        Output::Json => output::json(&json!({"folder": arguments.folder, "pages": pages})),
    }
    Ok(())
}

/// Returns the names of the written files.
fn write(folder: &Path) -> Result<Vec<String>, Failed> {
    fs::create_dir_all(folder)
        .map_err(|error| Failed::io(format!("{} can't be created", folder.display()), error))?;
    let mut command = cli::command().disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    add(&command, folder, &mut pages)?;
    Ok(pages)
}

fn add(command: &Command, folder: &Path, pages: &mut Vec<String>) -> Result<(), Failed> {
    let page = clap_mangen::Man::new(command.clone());
    let name = page.get_filename();
    let path = folder.join(&name);
    page.generate_to(folder)
        .map_err(|error| Failed::io(format!("{} can't be written", path.display()), error))?;
    pages.push(name);
    command.get_subcommands().try_for_each(|verb| add(verb, folder, pages))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum as _;
    use clap_complete::Shell;

    #[test]
    fn every_shell_has_a_script_that_knows_the_verbs() {
        for shell in Shell::value_variants() {
            let script = String::from_utf8(script(*shell)).unwrap();
            assert!(script.contains("link-location"), "{shell}");
        }
    }

    #[test]
    fn every_verb_has_a_manual_page_with_its_example() {
        let scratch = sandbox::Scratch::new().unwrap();
        let folder = scratch.path().join("new");
        let pages = write(&folder).unwrap();
        for name in ["tillflow.1", "tillflow-audit.1", "tillflow-dlq.1", "tillflow-dlq-replay.1"] {
            assert!(pages.iter().any(|page| page == name), "{name} is not among {pages:?}");
        }
        for page in &pages {
            let text = fs::read_to_string(folder.join(page)).unwrap();
            assert!(text.contains("Exit codes: 0"), "{page}");
            assert!(page == "tillflow.1" || text.contains("Example:"), "{page}");
        }
        assert_eq!(write(&folder).unwrap(), pages, "they are written again");
    }
}
