//! Prints the facts of this host as JSON, as they stand in the header of every timeline.

fn main() -> serde_json::Result<()> {
    let facts = stallion_timeline::HostFacts::of_this_host();
    println!("{}", serde_json::to_string(&facts)?);
    Ok(())
}
