//! Prints the CustomResourceDefinition of StreamApp as YAML.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    print!("{}", serde_saphyr::to_string(&millrace_crds::definition())?);
    Ok(())
}
