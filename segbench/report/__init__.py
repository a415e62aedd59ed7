"""What people look at: tables and plots, pure functions of Records and claims."""
