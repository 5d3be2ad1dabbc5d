"""The status page and its JSON: what is counted, what fails, and how senders are served."""
