"""How well label maps agree with a reference: per organ, in millimetres or by the paper's protocol."""
