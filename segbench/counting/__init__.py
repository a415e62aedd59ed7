"""Counting: one traced forward (`tracer.trace`), counted under every rule (`count.count_trace`, `count.count`).

====================  ==================================================================================
``count``             parameters and operations of a network: what `segbench.count` is
``trace``             what one forward did, as plain data: operations, module calls, parameters
``tracer``            runs a copy of the network once and writes the trace down (``log``, ``dispatch``)
``rules``             the table of operations: what each rule counts for each of them
``meanings``          the rules' names and what they count, in words; imports no torch
``macs`` ...          the functions of the table, one file for each rule's own
``modules``           parameters and MACs module by module
``tools``             the real fvcore and thop packages
====================  ==================================================================================
"""
