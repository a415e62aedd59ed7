"""What a project's networks cost and scored, commit by commit: kept, searched for changes, shown, and bisected.

`entries` keeps Records by commit and machine, `commits` says what a commit is, `series` puts the values of one quantity
under one set of conditions in a row, `shifts` finds where samples shift and `changes` every change with its range of
commits; `listing` and `page` show them. `bisection` finds the commit of a change by `measuring` others in
`worktrees`.
"""
