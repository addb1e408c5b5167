"""Tables, figures and the HTML report, made from the ledger alone."""
