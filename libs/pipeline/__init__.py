"""The line every drop travels, one module a phase.

    reception (sensor) -> intake -> fetch -> load -> transform -> check -> dump -> publish -> answer

Each phase is a function of typed values (`libs.pipeline.state`) and the clients on the workbench
(`libs.pipeline.workbench`). What differs between kinds of data is a strategy
(`libs.pipeline.kinds`).
"""
