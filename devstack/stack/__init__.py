"""The engines and programs of one SafeSignal: started, watched and stopped in order."""
