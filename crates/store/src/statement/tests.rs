use super::{Declared, Plan};
use crate::{Store, StoreConfig, Vault};
use sandbox::{Postgres, PostgresOptions, Scratch};
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgConnection, Row as _, types::Json};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

/// Returns every statement of the crate.
fn all() -> Vec<Declared> {
    [
        crate::statements(),
        crate::access_tokens::statements(),
        crate::api_keys::statements(),
        crate::idempotency::statements(),
        crate::tenancy::statements(),
        crate::tenancy::connections::statements(),
        crate::tenancy::locations::statements(),
        crate::tenancy::stores::statements(),
        crate::apply::statements(),
        crate::claims::all_statements(),
        crate::call_budgets::statements(),
        crate::collections::statements(),
        crate::promotions::statements(),
        crate::conflicts::statements(),
        crate::connection_list::statements(),
        crate::connection_states::statements(),
        crate::connections::statements(),
        crate::conservation::statements(),
        crate::copy::composed(),
        crate::copy::statements(),
        crate::cursors::statements(),
        crate::dead_letters::statements(),
        crate::desired::statements(),
        crate::digest::statements(),
        crate::event_outcomes::statements(),
        crate::events::statements(),
        crate::fetch_cursors::statements(),
        crate::links::statements(),
        crate::listed_objects::statements(),
        crate::match_queue::statements(),
        crate::matches::statements(),
        crate::migrations::statements(),
        crate::mirrors::statements(),
        crate::outcomes::statements(),
        crate::parked::statements(),
        crate::people::statements(),
        crate::provision::statements(),
        crate::rebuild::all_statements(),
        crate::show::statements(),
    ]
    .concat()
}

/// A migrated database without rows, and a store with the settings of the pipeline.
pub(crate) struct Database {
    pub(crate) store: Store,
    pub(crate) server: Postgres,
    pub(crate) scratch: Scratch,
}

pub(crate) async fn migrated() -> Database {
    let scratch = Scratch::new().unwrap();
    let server = Postgres::start(PostgresOptions::throwaway(scratch.path().join("postgres"))).await.unwrap();
    let url = server.create_database("statements").await.unwrap();
    let store = Store::connect(&StoreConfig::new(&url), vault()).await.unwrap();
    store.migrate().await.unwrap();
    Database { store, server, scratch }
}

pub(crate) fn vault() -> Vault {
    Vault::from_keys(BTreeMap::from([("k1".to_owned(), [1; 32])]), "k1").unwrap()
}

async fn run(connection: &mut PgConnection, sql: String) -> Result<(), String> {
    let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await;
    done.map(drop).map_err(|error| error.to_string())
}

/// Prepares a statement as `checked`, with its declared parameters. Returns the types that it has for Postgres.
async fn prepare(connection: &mut PgConnection, statement: &Declared) -> Result<Vec<String>, String> {
    let declared = match statement.parameters.as_slice() {
        [] => String::new(),
        types => format!("({})", types.join(", ")),
    };
    run(connection, format!("PREPARE checked {declared} AS {}", statement.text)).await?;
    let types = "SELECT parameter_types::text[] AS types FROM pg_prepared_statements WHERE name = 'checked'";
    Ok(sqlx::query(types).fetch_one(connection).await.unwrap().get("types"))
}

/// Explains the statement `checked` without executing it: its plan for any parameters. Postgres refuses this if the
/// role may not execute the statement.
async fn explain(connection: &mut PgConnection, statement: &Declared) -> Result<Value, String> {
    let nulls = match statement.parameters.len() {
        0 => String::new(),
        count => format!("({})", vec!["NULL"; count].join(", ")),
    };
    let explain = format!("EXPLAIN (FORMAT JSON) EXECUTE checked {nulls}");
    let row = sqlx::query(AssertSqlSafe(explain)).persistent(false).fetch_one(connection).await;
    let Json(plan): Json<Value> = row.map_err(|error| error.to_string())?.get(0);
    Ok(plan[0]["Plan"].clone())
}

/// Returns the numbers of the parameters that a text uses.
fn used(text: &str) -> BTreeSet<usize> {
    let number = |rest: &str| rest.split(|c: char| !c.is_ascii_digit()).next().and_then(|n| n.parse().ok());
    text.split('$').skip(1).filter_map(number).collect()
}

/// Returns the tables that a plan doesn't read by a condition on an index.
fn scanned(node: &Value) -> Vec<String> {
    let children = || node["Plans"].as_array().into_iter().flatten();
    let mut found: Vec<String> = children().flat_map(scanned).collect();
    let is_by_key = match node["Node Type"].as_str().unwrap() {
        "Index Scan" | "Index Only Scan" => node["Index Cond"].is_string(),
        "Bitmap Index Scan" if !node["Index Cond"].is_string() => {
            found.push(format!("all of {}", node["Index Name"]));
            true
        }
        "Seq Scan" | "Sample Scan" => false,
        _ => true,
    };
    if !is_by_key {
        found.push(format!("{} of {}", node["Node Type"], node["Relation Name"]));
    }
    found
}

#[tokio::test]
async fn every_statement_fits_the_schema_with_the_parameters_that_are_bound() {
    let database = migrated().await;
    let mut connection = database.store.pool.acquire().await.unwrap();
    let mut wrong = Vec::new();
    for statement in all() {
        let name = &statement.name;
        match prepare(&mut connection, &statement).await {
            Ok(types) if types != statement.parameters => {
                wrong.push(format!("{name}: declared {:?}, in the text {types:?}", statement.parameters));
            }
            Ok(types) if used(&statement.text) != (1..=types.len()).collect() => {
                wrong.push(format!("{name}: a declared parameter isn't used"));
            }
            // The list of migrations is read by the login role, which owns it.
            Ok(_) if name.starts_with("store::migrations::") => {}
            Ok(_) => wrong.extend(
                explain(&mut connection, &statement).await.err().map(|error| format!("{name}: {error}")),
            ),
            Err(error) => wrong.push(format!("{name}: {error}")),
        }
        let _ = run(&mut connection, "DEALLOCATE checked".to_owned()).await;
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn a_statement_by_key_reads_no_table_but_by_a_condition_on_an_index() {
    let database = migrated().await;
    let mut connection = database.store.pool.acquire().await.unwrap();
    let mut wrong = Vec::new();
    for statement in all().into_iter().filter(|statement| statement.plan == Plan::ByKey) {
        prepare(&mut connection, &statement).await.unwrap();
        let scanned = scanned(&explain(&mut connection, &statement).await.unwrap());
        if !scanned.is_empty() {
            wrong.push(format!("{}: {}", statement.name, scanned.join(", ")));
        }
        run(&mut connection, "DEALLOCATE checked".to_owned()).await.unwrap();
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn levels_are_written_by_those_alone_who_have_locked_their_store() {
    let writes = |statement: &Declared| {
        let words: Vec<&str> = statement.text.split_whitespace().collect();
        words
            .windows(2)
            .any(|pair| ["INTO", "UPDATE", "FROM"].contains(&pair[0]) && pair[1] == "inventory_levels")
            && ["INSERT", "UPDATE", "DELETE"].contains(&words[0])
    };
    let mut found: Vec<String> = all().into_iter().filter(writes).map(|statement| statement.name).collect();
    found.sort_unstable();
    // apply locks the stores of its events first, a rebuild the store that it repairs. A further writer has to do the
    // same, or levels have to be locked again when they are loaded.
    let known = [
        "rebuild::write inventory_levels",
        "store::apply::stock::INSERT_LEVELS",
        "store::apply::stock::UPDATE_LEVELS",
    ];
    assert_eq!(found, known);
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// Returns every source file of the crate but those of this module, by the path of its module.
fn modules() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let module = |path: &Path| {
        let path = path.strip_prefix(&root).unwrap().with_extension("");
        let names =
            path.iter().map(|name| name.to_str().unwrap()).filter(|name| !["lib", "mod"].contains(name));
        ["store"].into_iter().chain(names).collect::<Vec<_>>().join("::")
    };
    let all = sources(&root).into_iter().map(|path| (module(&path), std::fs::read_to_string(path).unwrap()));
    all.filter(|(module, _)| !module.starts_with("store::statement")).collect()
}

/// Ways to send a statement that isn't declared.
const UNDECLARED: [&str; 13] = [
    "AssertSqlSafe",
    "Executor",
    "QueryBuilder",
    "batch_execute",
    "query_raw",
    "query_typed",
    "simple_query",
    "tokio_postgres::Client",
    "query_as",
    "query_scalar",
    "query_with",
    "raw_sql",
    "sqlx::query",
];

/// Returns what a source text does to send a statement that isn't declared.
fn undeclared(text: &str) -> Vec<&str> {
    let mut found: Vec<&str> = UNDECLARED.into_iter().filter(|way| text.contains(way)).collect();
    let imports = text.split("use sqlx::").skip(1).filter_map(|rest| rest.split(';').next());
    found.extend(
        imports
            .flat_map(|names| names.split(|c: char| !c.is_alphanumeric() && c != '_'))
            .filter(|name| *name == "query"),
    );
    found
}

/// Returns the name of the statement that a line declares.
fn declaration(line: &str) -> Option<&str> {
    let (before, after) = line.split_once("const ")?;
    let (name, rest) = after.split_once(": ")?;
    let is_plain = before.trim().is_empty() || before.trim().starts_with("pub(");
    (is_plain && (rest.starts_with("ByKey(") || rest.starts_with("Any("))).then_some(name)
}

/// Returns the names of the statements that a source text declares.
fn declared(text: &str) -> Vec<&str> {
    text.lines().filter_map(declaration).collect()
}

/// Returns the names of the functions of a source text that compose a statement.
fn composed(text: &str) -> Vec<&str> {
    let heads = text.lines().filter(|line| line.contains("-> Statement<"));
    heads.filter_map(|head| head.split_once("fn ")?.1.split('(').next()).collect()
}

#[test]
fn every_statement_in_the_sources_is_among_those_that_are_checked() {
    let all = all();
    let mut missing = Vec::new();
    let mut count = 0;
    for (module, text) in modules() {
        missing.extend(undeclared(&text).into_iter().map(|way| format!("{module} uses {way}")));
        for name in declared(&text) {
            count += 1;
            let name = format!("{module}::{name}");
            if !all.iter().any(|statement| statement.name == name) {
                missing.push(format!("{name} isn't checked"));
            }
        }
        let composed = composed(&text);
        assert_eq!(text.matches("Statement::composed(").count(), composed.len(), "{module}");
        for name in composed {
            if !all.iter().any(|statement| statement.name.contains(&format!("::{name} "))) {
                missing.push(format!("{module}::{name} isn't checked"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    assert!(count > 100, "only {count} declarations were found");
}

#[test]
fn a_statement_that_is_not_declared_is_seen() {
    assert_eq!(undeclared("sqlx::query(\"SELECT 1\")"), ["sqlx::query"]);
    assert_eq!(undeclared("use sqlx::{PgConnection, query};\nquery(\"SELECT 1\")"), ["query"]);
    assert!(undeclared("use sqlx::{PgConnection, Row as _};\nquery(PING)").is_empty());
    assert_eq!(
        declared("    pub(crate) const LOCK: ByKey(text) = \"…\";\n    const MAX: i64 = 1;"),
        ["LOCK"]
    );
    assert_eq!(used("SELECT $1, $12 WHERE $1"), [1, 12].into());
}
