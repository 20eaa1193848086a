//! Shows the employees of a store.

use crate::{
    cli::{Output, Target},
    environment::open_store,
    failure::Failed,
    output, stores,
    table::{Table, left},
};
use model::{Patch, Workplaces};
use serde_json::{Value, json};
use store::EmployeeLine;

pub(super) async fn run(id: &str, target: &Target, output: Output) -> Result<(), Failed> {
    let store = open_store(target).await?;
    let store_id = stores::find(&store, id).await?;
    let lines = store.employees_of(&store_id).await?;
    if output == Output::Json {
        let employees: Vec<Value> = lines.iter().map(value).collect();
        output::json(&json!({"store": id, "employees": employees}));
    } else if lines.is_empty() {
        output::line(&format!("store {id} has no employees"));
    } else {
        output::table(table(&lines));
    }
    Ok(())
}

fn table(lines: &[EmployeeLine]) -> Table {
    let headings = ["platform", "external", "name", "mail", "phone", "roles", "active", "works at"];
    let mut table = Table::new(headings.map(left));
    for line in lines {
        let employee = &line.employee;
        let text = |field: &Patch<String>| field.set().map_or_else(|| "-".to_owned(), Clone::clone);
        let workplaces = match &employee.workplaces {
            Some(Workplaces::All) => "all".to_owned(),
            Some(Workplaces::Named(locations)) => {
                locations.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
            }
            None => "-".to_owned(),
        };
        table.row([
            line.platform.to_string(),
            employee.external.to_string(),
            text(&employee.name),
            text(&employee.email),
            text(&employee.phone),
            employee.roles.as_ref().map_or_else(|| "-".to_owned(), |roles| roles.join(", ")),
            employee.is_active.map_or("-", |is_active| if is_active { "yes" } else { "no" }).to_owned(),
            workplaces,
        ]);
    }
    table
}

fn value(line: &EmployeeLine) -> Value {
    let employee = &line.employee;
    json!({
        "platform": line.platform,
        "connection": line.connection,
        "employee": employee.external,
        "name": employee.name.set(),
        "email": employee.email.set(),
        "phone": employee.phone.set(),
        "roles": employee.roles,
        "is_active": employee.is_active,
        "workplaces": employee.workplaces,
    })
}
